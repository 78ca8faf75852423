"""The management API over HTTP, in the vendor's forms: it reads the project and makes keys."""
