"""The figures of the Serverless Application Analytics Framework, in its names."""
