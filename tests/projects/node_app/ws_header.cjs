"use strict";
const WebSocket = require("ws");
const { showSession } = require("./show.cjs");

const [authorization = "Token 0123456789abcdef0123456789abcdef01234567"] = process.argv.slice(2);
const headers = { "x-deepgram-tag": "one", ...(authorization && { authorization }) };
showSession(new WebSocket("wss://agent.deepgram.com/v1/agent/converse?a=1&b=%20", { headers }));
