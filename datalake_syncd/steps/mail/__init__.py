"""Mail: what people are told of, how it is put into words, and how it gets to the server."""
