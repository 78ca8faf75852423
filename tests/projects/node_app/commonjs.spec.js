"use strict";
const { expect, test } = require("@playwright/test");

test("the agent says Welcome", async ({ page }) => {
  await page.goto("/key.html");
  await expect.poll(() => page.evaluate("window.shown.at(-1).type")).toBe("Welcome");
});
