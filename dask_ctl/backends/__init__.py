"""What must be known of a class of clusters, a room each."""
