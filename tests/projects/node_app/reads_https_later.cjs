"use strict";
// https by ways other than require: import in CommonJS, and process.getBuiltinModule.
const { show } = require("./show.cjs");

const headers = { Authorization: `Token ${process.argv[2]}` };

async function main() {
  const { get } = process.argv[3] === "import" ? await import("node:https") : process.getBuiltinModule("node:https");
  get("https://api.deepgram.com/v1/projects", { headers }, (response) => {
    response.on("data", (body) => show(JSON.parse(body)));
  });
}

main();
