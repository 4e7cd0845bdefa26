import { render } from "preact";
import { start } from "./state/app.ts";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/stage.css";
import "./styles/talk.css";
import { App } from "./ui/app.tsx";

const root = document.getElementById("app");
if (root) {
  void start();
  render(<App />, root);
}
