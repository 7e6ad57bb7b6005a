"""Tasks of English-like sentences, from a small grammar."""
