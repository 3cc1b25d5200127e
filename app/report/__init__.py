"""What a person looks at or takes along: contact sheets, query pages, drawn videos, text files, figures."""
