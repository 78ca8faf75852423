import os

os.environ["DEEPGRAM_API_KEY"] = "test-key"
