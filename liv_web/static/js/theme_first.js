// SPDX-License-Identifier: Apache-2.0
// The chosen theme, before anything is drawn; without a choice the system's counts. Not a module: modules come later.
try {
  const theme = localStorage.getItem("liv-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // storage is forbidden here: the system's theme
}
