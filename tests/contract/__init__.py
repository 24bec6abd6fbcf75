"""What picluster relies on in K3s, held to the stand-in and to the real one alike."""
