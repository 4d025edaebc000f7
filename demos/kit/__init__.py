"""What tabs are made of: controls from a task's fields, outputs, runs, the tab of a restoration, the frame."""
