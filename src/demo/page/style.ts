/** Two colour schemes from one set of names; one column on a phone, two on a desk. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f5f2, #16181c);
  --card: light-dark(#ffffff, #1f2228);
  --ink: light-dark(#1d2026, #e9e8e4);
  --faint: light-dark(#5d6370, #a2a8b4);
  --line: light-dark(#d5d3cc, #3a3f49);
  --accent: light-dark(#1f5f4a, #7cc9ad);
  --on-accent: light-dark(#ffffff, #10231c);
  --mine: light-dark(#e0ece6, #24382f);
  --warn: light-dark(#fbeeda, #3d2f18);
  --warn-line: light-dark(#c98a2b, #b98432);
  --radius: 12px;
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html, body { height: 100%; margin: 0; }
body { background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.15rem; margin: 0; }
.quiet { color: var(--faint); font-size: .9rem; margin: .25rem 0; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
.grow { flex: 1; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }

button, .button {
  font: inherit; min-height: 44px; padding: .4rem 1rem; border-radius: var(--radius); cursor: pointer;
  border: 1px solid var(--line); background: var(--card); color: var(--ink);
  display: inline-flex; align-items: center;
}
button:hover, .button:hover { border-color: var(--accent); }
button:disabled { opacity: .5; cursor: default; }
.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); justify-content: center; }
.plain { border-color: transparent; background: none; color: var(--accent); text-decoration: underline; padding: .4rem 0; }
input, textarea {
  font: inherit; font-weight: 400; width: 100%; padding: .6rem .8rem; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: var(--radius);
}
textarea { resize: vertical; min-height: 3.5rem; max-height: 40vh; display: block; }
:focus-visible, #file:focus-visible + .grow { outline: 3px solid var(--accent); outline-offset: 2px; }
.notice { background: var(--warn); border: 1px solid var(--warn-line); border-radius: var(--radius); padding: .6rem .9rem; }

#door { max-width: 24rem; margin: 0 auto; padding: max(8vh, 1.5rem) 1.25rem; }
#door h1 { font-size: 1.6rem; }
#door form { display: grid; gap: 1rem; margin: 1.25rem 0 .5rem; }
#door label { font-weight: 600; display: grid; gap: .25rem; }
#door .row { justify-content: space-between; }

#room { height: 100dvh; display: grid; grid-template: auto auto 1fr / minmax(0, 1fr); }
header { display: flex; gap: .5rem; align-items: center; padding: .6rem 1rem; border-bottom: 1px solid var(--line);
  padding-top: max(.6rem, env(safe-area-inset-top)); }
#who { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
nav { padding: .25rem 1rem; border-bottom: 1px solid var(--line); }
::placeholder { color: var(--faint); opacity: 1; }
summary { padding: .5rem 0; cursor: pointer; color: var(--faint); }
nav ul { list-style: none; margin: 0; padding: 0; max-height: 30vh; overflow: auto; }
nav li button { width: 100%; border-color: transparent; background: none; text-align: left; display: block;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
nav li button[aria-current] { background: var(--mine); }
#room main { min-height: 0; display: grid; grid-template: minmax(0, 1fr) auto auto / minmax(0, 1fr); gap: .75rem; width: 100%;
  max-width: 48rem; margin: 0 auto; padding: .75rem 1rem max(.75rem, env(safe-area-inset-bottom)); }
#log { overflow-y: auto; display: flex; flex-direction: column; gap: .75rem; padding: .25rem; }
.message { max-width: 85%; padding: .6rem .9rem; border-radius: var(--radius); background: var(--card);
  border: 1px solid var(--line); white-space: pre-wrap; overflow-wrap: anywhere; }
.mine { align-self: flex-end; background: var(--mine); border-color: transparent; }
.aside { align-self: center; background: none; border: 0; color: var(--faint); font-size: .9rem; padding: 0; }
.writing::after { content: "▍"; color: var(--accent); }
#composer { display: grid; gap: .5rem; }

@media (min-width: 60rem) {
  #room { grid-template: auto 1fr / 15rem minmax(0, 1fr); }
  header { grid-column: 1 / -1; }
  nav { border-bottom: 0; border-right: 1px solid var(--line); overflow: auto; padding: .75rem; }
  nav ul { max-height: none; }
}
@media (max-width: 26rem) { #room header h1 { display: none; } }
@media (prefers-reduced-motion: no-preference) {
  .writing::after { animation: blink 1s steps(2) infinite; }
  @keyframes blink { 50% { opacity: 0; } }
}
`
