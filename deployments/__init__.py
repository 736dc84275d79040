"""What a deployment needs besides `prefect.yaml`."""
