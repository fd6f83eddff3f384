"""The `jalki` command line: one module for each family of commands, wired by `heatmap.__main__`.

Commands read the environment and the clock and pass both on; what they do is done by the rooms below.
"""
