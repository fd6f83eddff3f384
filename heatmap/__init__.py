"""Everything derived: rollups, grids, images, reports, exports and the dashboard."""
