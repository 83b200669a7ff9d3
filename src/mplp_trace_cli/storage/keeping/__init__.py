"""What is done with a store as it grows: what ends, what is purged, the disk that is given back."""
