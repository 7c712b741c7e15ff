// certificate.hpp: the certificate of the demo's HTTPS: made once, kept in a folder of its own.
#pragma once

#include "actors/layers/tls.hpp"

#include <string>

namespace demo {

/// $XDG_STATE_HOME/creche, or .local/state/creche of the home folder. Empty: there is neither.
std::string usual_state_folder();

struct kept_certificate {
  creche::tls_certificates shown;
  std::string path; ///< of the certificate, for clients that are to believe it
};

/// The one in `folder`, or a new one: signed by itself, for localhost, 127.0.0.1, ::1 and `host`,
/// for a year; after ten months it is made anew. The files are made with mode 0600. Throws
/// std::system_error, with the path.
kept_certificate certificate_in(const std::string& folder, const std::string& host);

} // namespace demo
