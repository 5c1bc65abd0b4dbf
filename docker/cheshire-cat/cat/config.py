# The Cat 2.x reads its settings from here, and here they come from .env, so that Cat and gateway share one secret.
import os

URL = os.environ.get("CCAT_URL") or "http://localhost:1865"
API_KEY = os.environ["CCAT_API_KEY"]
JWT_SECRET = os.environ["CCAT_JWT_SECRET"]
DEFAULT_LLM = os.environ.get("CCAT_DEFAULT_LLM") or "default:default"
DEBUG = False
