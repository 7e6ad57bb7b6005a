"""What ``make_documents.py`` makes: one file for each document with pictures or generated tables."""
