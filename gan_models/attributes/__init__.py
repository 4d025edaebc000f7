"""What faces look like in numbers: a network that rates age, gender, smile, hair and pose."""
