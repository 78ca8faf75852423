"""A Django application of one view, which asks the agent; the settings are in this module as well."""

import os

from django.http import HttpRequest, HttpResponse
from django.urls import path
from visitor import converse
from websockets.sync.client import connect

AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
AUTHORIZATION = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}

SECRET_KEY = "of this test alone"
DEBUG = True
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "django_app"
DATABASES: dict[str, object] = {}
STATIC_URL = "static/"


def ask(request: HttpRequest) -> HttpResponse:
    with connect(AGENT_URL, additional_headers=AUTHORIZATION) as agent:
        return HttpResponse(converse(agent, request.GET["question"]))


urlpatterns = [path("ask", ask)]
