"""Looking after the cache: what it holds, whether it is whole, and what of it may go."""
