"""What the snippet weighs and costs beside other people's scripts: sizes, and a scripted visit in a real browser."""
