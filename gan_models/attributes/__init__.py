"""What faces look like in numbers: a network that rates age, gender, smile, hair and pose."""

NAMES = ("age", "gender", "smile", "long_hair", "dark_hair", "pose")
MEANS, DEVIATIONS = (33.0, 0.0, 0.0, 0.0, 0.0, 0.0), (20.0, 1.0, 1.0, 1.0, 1.0, 1.0)  # of the labels
