// The switch for a sound on wrong form, and the sound. What is chosen belongs to this browser, not to the page.

const STORED_AS = "repsense-sound-on-wrong-form";
const PAUSE_MS = 4000; // more often would be nagging
const WORDS = "Watch your form";
const CHOICES = [["off", "Off"], ["beep", "Beep"], ["voice", "Voice"]];

export default function ({ data, parentElement }) {
  parentElement.alarm ??= new FormAlarm(parentElement);
  parentElement.alarm.hear(data);
  return () => parentElement.alarm.close();
}

class FormAlarm {
  constructor(parent) {
    const group = document.createElement("fieldset");
    group.className = "rs-alarm";
    group.innerHTML = "<legend>Sound on wrong form</legend><div></div><small role='status'></small>";
    for (const [value, words] of CHOICES) {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: STORED_AS, value });
      input.checked = value === chosen();
      input.addEventListener("change", () => this.choose(value));
      label.append(input, words);
      group.querySelector("div").append(label);
    }
    parent.append(group);
    this.hint = group.querySelector("small");
    this.sounded_ms = -PAUSE_MS;
    this.tellWhetherMuted = () => {
      const muted = chosen() !== "off" && audio().state !== "running";
      this.hint.textContent = muted ? "Muted until you touch the page" : "";
    };
    if (chosen() !== "off") {
      this.watch();
    }
  }

  // Browsers mute a page that nobody has touched since it was loaded.
  watch() {
    audio().addEventListener("statechange", this.tellWhetherMuted);
    this.tellWhetherMuted();
  }

  close() {
    window.repsenseAudio?.removeEventListener("statechange", this.tellWhetherMuted);
  }

  choose(value) {
    localStorage.setItem(STORED_AS, value);
    this.watch();
    this.sound();
  }

  // `form` is how the exercise of the shown sensor is done now; only where it turns wrong is there a sound.
  hear({ sensor_id, form }) {
    const wrong = form === "incorrect";
    const turned = wrong && this.sensor_id === sensor_id && !this.wrong;
    this.sensor_id = sensor_id;
    this.wrong = wrong;
    if (turned && performance.now() - this.sounded_ms >= PAUSE_MS) {
      this.sound();
    }
  }

  sound() {
    this.sounded_ms = performance.now();
    if (chosen() === "beep") {
      play("wrong");
    } else if (chosen() === "voice") {
      speak(WORDS);
    }
  }
}

function chosen() {
  const stored = localStorage.getItem(STORED_AS);
  return CHOICES.some(([value]) => value === stored) ? stored : "off";
}
