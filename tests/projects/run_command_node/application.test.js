// The vendor's URL in the code, and the key of the environment, as in the vendor's starters.
const assert = require("node:assert");
const { test } = require("node:test");
const WebSocket = require("ws");

test("the agent says Welcome", async () => {
  const socket = new WebSocket("wss://agent.deepgram.com/v1/agent/converse", ["token", process.env.DEEPGRAM_API_KEY]);
  const first = await new Promise((resolve, reject) => {
    socket.on("message", (data) => resolve(JSON.parse(data)));
    socket.on("error", reject);
  });
  assert.strictEqual(first.type, "Welcome");
  await new Promise((resolve) => setTimeout(resolve, 500));
  socket.close();
});
