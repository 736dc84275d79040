"""What the pipeline costs beside other ways to do the same work: `python -m bench`. See docs/performance.md."""
