"""Sample sheets: found, attached, watched for changes, and told of when they are missing."""
