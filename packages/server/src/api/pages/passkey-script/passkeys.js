// Forms whose answer comes from a passkey. Each one asks the server for a challenge, lets the
// device of the person answer it, and then sends that answer like any form.

const isSupported = typeof globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON === "function";

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !isSupported;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send(form);
  });
}
for (const text of document.querySelectorAll("[data-without-passkeys]")) text.hidden = isSupported;

async function send(form) {
  const button = form.querySelector("button");
  const alert = form.querySelector("[role=alert]");
  alert.textContent = "";
  button.disabled = true;
  try {
    const { secret, options } = await getAttempt(form.dataset.attempt);
    const credential = await useDevice(form.dataset.passkey, options);
    form.elements.secret.value = secret;
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (error) {
    alert.textContent = describe(error);
    button.disabled = false;
  }
}

async function getAttempt(address) {
  const answer = await fetch(address, { method: "POST" });
  const body = await answer.json();
  if (answer.ok) return body;
  throw new Error(`${body.detail} ${body.next ?? ""}`);
}

const useDevice = (act, options) =>
  act === "create"
    ? navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });

/** The browser's own texts are for developers. */
function describe({ name, message }) {
  if (name === "NotAllowedError" || name === "AbortError")
    return "Nothing happened: it was cancelled or took too long.";
  if (name === "InvalidStateError") return "This device has a passkey for the account already.";
  return message;
}
