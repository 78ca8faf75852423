"use strict";
// ws with a connection and an agent of the program's own.
const https = require("https");
const net = require("net");
const WebSocket = require("ws");
const { showSession } = require("./show.cjs");

const createConnection = () => net.connect(1, "127.0.0.1");
const agent = new https.Agent({ keepAlive: true });
const headers = { Authorization: "Token 0123456789abcdef0123456789abcdef01234567" };
showSession(new WebSocket("wss://agent.deepgram.com/v1/agent/converse", { createConnection, agent, headers }));
