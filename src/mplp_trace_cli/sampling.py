"""System metrics: what psutil tells of this machine, as metric samples."""
