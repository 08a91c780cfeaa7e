"""Import images that the user already has: class folders on the disk, in a tar or in a zip."""
