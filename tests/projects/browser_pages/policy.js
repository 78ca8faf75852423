"use strict";
showSession(new WebSocket("wss://agent.deepgram.com/v1/agent/converse", ["token", "0123456789abcdef0123456789abcdef01234567"]));
