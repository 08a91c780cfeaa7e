"""Gets images that exist: from image searches, lists of addresses, folders and tars."""
