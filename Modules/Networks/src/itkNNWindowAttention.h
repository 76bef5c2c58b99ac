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
#ifndef itkNNWindowAttention_h
#define itkNNWindowAttention_h

#include "itkNNModuleBuilder.h"

namespace itk
{
namespace nn
{
/** \class TokenWindows
 * \brief How the tokens of a grid fall into windows of window^3 that are shifted
 * by `shift`: the tables of a Swin transformer (Z. Liu et al., arXiv:2103.14030)
 * in 3-D.
 *
 * The grid is padded at the far end of each axis to a multiple of the window and
 * rolled by -shift; windows and the tokens inside them are in raster order.
 */
class TokenWindows
{
public:
  TokenWindows(const Extent3 & grid, std::int64_t window, std::int64_t shift);

  /** [windows, window^3] of Int64: the number of the token of the grid, or the
   * number of tokens where there is only padding. */
  Tensor GetTokens() const;

  /** [tokens] of Int64: where each token of the grid lies among the tokens of all
   * windows. */
  Tensor GetPositions() const;

  /** Numbers of windows along the axes. */
  Extent3 GetCounts() const;

  /** [windows along the axis, window^3, window^3]: 0, or -100 between tokens that
   * were not neighbours along it before the roll. The reference has -100 where that
   * is so along any axis; the sum of the three masks differs by what exp(-100) is. */
  Tensor GetMask(std::size_t axis) const;

  bool IsPadded() const
  {
    return m_Padded != m_Grid;
  }
  bool IsShifted() const
  {
    return m_Shift != 0;
  }
  std::int64_t GetWindow() const
  {
    return m_Window;
  }

  /** [window^3, window^3] of Int64, the row of the bias table for a query and a
   * key. As the reference has it, which weighs the three differences of
   * coordinates (from 0 on) by 3 w - 1, 2 w - 1 and 1, so that rows are shared. */
  static Tensor GetRelativePositions(std::int64_t window);

private:
  std::int64_t GetNumberOfWindows() const;

  /** Calls back with the window, the token inside it and its coordinates on the
   * rolled grid. */
  template <typename TFunction>
  void ForEach(const TFunction & function) const;

  Extent3 m_Grid;
  Extent3 m_Padded;
  std::int64_t m_Window;
  std::int64_t m_Shift;
};

/** The tables of windows as constants of a graph, for all attentions over the
 * same windows. */
struct WindowTables
{
  ValueId tokens = -1;
  ValueId positions = -1;
  ValueId rows = -1;                              ///< of the table of biases
  Extent3 counts{ { 0, 0, 0 } };                  ///< of windows
  std::array<ValueId, 3> masks{ { -1, -1, -1 } }; ///< none when the windows are not shifted
  bool isPadded = false;
};
WindowTables AddWindowTables(Graph & graph, const TokenWindows & windows, const std::string & key);

/** Window attention over tokens [B, D * H * W, C] with the parameters of a
 * module `attn`. */
ValueId AddWindowAttention(ModuleBuilder & modules,
                           ValueId tokens,
                           const WindowTables & windows,
                           std::int64_t heads,
                           double dropout,
                           const std::string & key);
} // namespace nn
} // namespace itk

#endif
