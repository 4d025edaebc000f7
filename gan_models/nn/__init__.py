"""What networks of several families are built of and trained by: layers, losses, feature networks, segmentation."""
