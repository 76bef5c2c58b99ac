/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "universegProgress.h"

#include <algorithm>
#include <iostream>

#ifdef _WIN32
#  include <io.h>
#else
#  include <unistd.h>
#endif

namespace universeg
{
namespace
{
bool
ErrorIsTerminal()
{
#ifdef _WIN32
  return _isatty(2) != 0;
#else
  return isatty(STDERR_FILENO) != 0;
#endif
}
} // namespace

ProgressBar::ProgressBar(std::string title)
  : m_Title(std::move(title))
  , m_Active(ErrorIsTerminal())
{}

ProgressBar::~ProgressBar()
{
  if (m_Active && m_LastPermille >= 0)
  {
    std::cerr << "\r\033[K" << std::flush;
  }
}

void
ProgressBar::Show(double fraction)
{
  constexpr int width = 40;
  const int permille = static_cast<int>(1000 * std::clamp(fraction, 0.0, 1.0));
  if (!m_Active || permille == m_LastPermille)
  {
    return;
  }
  m_LastPermille = permille;
  const int filled = permille * width / 1000;
  std::cerr << '\r' << m_Title << " [" << std::string(static_cast<std::size_t>(filled), '#')
            << std::string(static_cast<std::size_t>(width - filled), ' ') << "] " << permille / 10 << "% "
            << std::flush;
}
} // namespace universeg
