"use strict";
const { DeepgramClient } = require("@deepgram/sdk");
const { show, showFailure } = require("./show.cjs");

async function main() {
  const client = new DeepgramClient({ apiKey: "0123456789abcdef0123456789abcdef01234567" });
  const connection = await client.agent.v1.connect({ reconnectAttempts: 0 });
  connection.on("message", (message) => {
    show({ type: message.type });
    connection.close();
  });
  connection.on("error", showFailure);
  connection.connect();
}

main();
