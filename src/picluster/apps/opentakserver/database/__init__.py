"""PostgreSQL with PostGIS, built here: upstream's own image is not made for every processor."""
