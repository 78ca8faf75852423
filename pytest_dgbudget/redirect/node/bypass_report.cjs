"use strict";
// A program of its own, so that whoever starts it can wait for it: tells the gateway what it reads from stdin.

const { host, port, token, bypass } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const headers = { Authorization: `Token ${token}`, "Content-Type": "application/json" };
require("http")
  .request({ host, port, path: "/bypass", method: "POST", headers }, (response) => response.resume())
  .on("error", () => {})
  .end(JSON.stringify(bypass));
