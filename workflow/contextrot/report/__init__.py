"""What people read: summary, trust, failures, captions, pages, provenance, status."""
