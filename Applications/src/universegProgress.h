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
#ifndef universegProgress_h
#define universegProgress_h

#include <string>

namespace universeg
{
/** A bar on standard error, only when that is a terminal. The line is cleared
 * in the end. */
class ProgressBar
{
public:
  explicit ProgressBar(std::string title);
  ~ProgressBar();
  ProgressBar(const ProgressBar &) = delete;
  ProgressBar & operator=(const ProgressBar &) = delete;

  /** \param fraction in [0, 1]. */
  void Show(double fraction);

private:
  std::string m_Title;
  bool m_Active;
  int m_LastPermille = -1;
};
} // namespace universeg

#endif
