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
#ifndef universegColorChoice_h
#define universegColorChoice_h

#include "universegSegmenter.h"
#include "universegSupports.h"

#include <string>
#include <vector>

namespace universeg
{
/** The value of --color: how colour images become intensities. */
struct ColorChoice
{
  enum class Method
  {
    Fixed,        ///< by the projection
    Discriminant, ///< by ColorDiscriminant of the supports
    Auto          ///< by cross-validation among the supports
  };

  Method method = Method::Auto;
  ColorProjection projection;
};

/** Throws UsageError unless the text is auto, discriminant, luminance, red, green,
 * blue or three weights R,G,B. */
ColorChoice ParseColorChoice(const std::string & text);

/** A way of turning colours into intensities, and how well it did. */
struct ColorCandidate
{
  std::string name;
  ColorProjection projection;
  double dice = 0; ///< mean, of two-fold cross-validation
};

/** Whether the mean of the differences between the Dice of the same examples is more than
 * its standard error. */
bool IsClearlyBetter(const std::vector<double> & dice, const std::vector<double> & than);

/** The projection for these supports; luminance when the first of them has no colours.
 *
 * Auto: of up to 16 pairs one half segments the other and the other way round, for
 * luminance, red, green and blue, each also negated, and the discriminant; of two to
 * four labels also the discriminant of each from all else. The best one is taken when
 * it is clearly better than luminance. With fewer than 4 pairs it is luminance.
 * \param candidates gets what was compared, the chosen one first; null: nothing.
 * Throws Failure. */
ColorProjection ChooseColors(const ColorChoice & choice,
                             const std::vector<FilePair> & pairs,
                             const SupportReader & reader,
                             itk::SegmentationModel * model,
                             const SegmentationSettings & settings,
                             std::vector<ColorCandidate> * candidates = nullptr);
} // namespace universeg

#endif
