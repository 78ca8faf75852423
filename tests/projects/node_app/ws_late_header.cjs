"use strict";
const WebSocket = require("ws");
const { showSession } = require("./show.cjs");

function finishRequest(request) {
  request.setHeader("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln");
  request.setHeader("Host", "agent.deepgram.com");
  request.end();
}

showSession(new WebSocket("wss://agent.deepgram.com/v1/agent/converse", { finishRequest }));
