"""The questions: filters to SQL, and the answers as rows with kinds."""
