// Was an answer right? Whoever knows tells the server, which keeps it with the request.

import { $, button, element, rounded, say, soft } from "./elements.js";
import { askJson } from "./server.js";

/** Asks whether it was right, where the server takes that and there is one thing to be right or wrong about. */
export function askFeedback({ feedback, task, labels }, { label, scores }, id, { guarded, signal }) {
  $("feedback").replaceChildren();
  if (!feedback || !id) return;
  const tell = (truth) => guarded(async () => {
    const body = JSON.stringify({ request_id: id, ...truth() });
    await askJson({ address: "/feedback", type: "application/json", body, signal });
    $("feedback").replaceChildren(soft("Thank you; the server keeps it."));
    say("Thank you; the server keeps it.");
  });
  const title = element("h3", { textContent: "Was it right?" });
  const asks = (told, input, truth) => {
    const right = button("Right", tell(told), { id: "right" });
    const sent = element("form", { className: "row", onsubmit: (event) => (event.preventDefault(), tell(truth)()) },
      element("label", { htmlFor: "truth", textContent: "or it is" }), input, element("button", { textContent: "Send" }));
    $("feedback").append(title, element("div", { className: "row" }, right, sent));
  };
  if (task === "classify" && labels && label !== undefined) {
    const others = labels.filter((each) => each !== label).map((each) => element("option", { value: each, textContent: each }));
    const none = element("option", { value: "", textContent: "choose" });
    const input = element("select", { id: "truth", required: true }, none, ...others);
    asks(() => ({ label }), input, () => ({ label: input.value }));
  } else if ((task === "regress" || task === "forecast") && scores.length === 1) {
    const [[, value]] = scores;
    const input = element("input", { id: "truth", type: "number", step: "any", required: true, placeholder: rounded(value) });
    asks(() => ({ value }), input, () => ({ value: Number(input.value) }));
  }
}
