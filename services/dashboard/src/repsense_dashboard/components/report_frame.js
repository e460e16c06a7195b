// Shows a page of HTML that somebody else has made: in a frame without scripts, forms or any rights of this page.

export default function ({ parentElement, data }) {
  let frame = parentElement.querySelector("iframe");
  if (!frame) {
    frame = document.createElement("iframe");
    frame.className = "rs-report-frame";
    frame.sandbox = "";
    frame.referrerPolicy = "no-referrer";
    parentElement.appendChild(frame);
  }
  const html = new TextDecoder().decode(data);
  if (frame.srcdoc !== html) frame.srcdoc = html;
  frame.title = "Report";
}
