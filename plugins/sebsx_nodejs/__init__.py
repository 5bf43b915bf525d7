"""Node.js as a language: packages from lock files, started on this machine's Node.js."""
