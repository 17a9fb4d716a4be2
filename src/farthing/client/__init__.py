"""The verbs of the library over HTTP: `farthing.connect`, for code that runs where the database is not."""
