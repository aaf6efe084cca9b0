/* The library of the map is served with pages that have one (the wall too): a link to it from elsewhere loads it anew. */
(function () {
  'use strict';
  function need() {
    var here = location.pathname, map = here === '/explore' && /[?&]view=map(&|$)/.test(location.search);
    if ((map || /^\/(map$|wall$|sector\/)/.test(here)) && !window.dash_leaflet) location.reload();
  }
  ['popstate', '_dashprivate_pushstate'].forEach(function (event) {
    window.addEventListener(event, need);
  });
})();
