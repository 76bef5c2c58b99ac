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
#ifndef universegSupports_h
#define universegSupports_h

#include "universegCommandLine.h"
#include "universegFiles.h"
#include "universegImages.h"

#include "itkIntensityNormalization.h"
#include "itkUniverSegSupportSet.h"

#include <set>
#include <vector>

namespace universeg
{
/** An image with its labels. */
struct SupportExample
{
  Volume::Pointer image;
  LabelVolume::Pointer labels;
};

/** The options that name a support set and say how it is read. */
void AddSupportOptions(boost::program_options::options_description & group);

/** The values of --normalize and --slice-axis. Throw UsageError. */
itk::IntensityNormalization GetNormalization(const CommandLine & commandLine);
unsigned int GetSliceAxis(const CommandLine & commandLine);

/** The pairs that the options name. Throws UsageError when there is none. */
std::vector<FilePair> FindSupports(const CommandLine & commandLine);

/** Reads pairs as the command line asks for. */
class SupportReader
{
public:
  /** Throws UsageError. */
  explicit SupportReader(const CommandLine & commandLine);

  /** The labels of a pair's mask, which lie where its image lies. Throws Failure. */
  LabelVolume::Pointer ReadLabels(const FilePair & pair, const Volume & image) const;

  /** Read the pairs into a support set. Throws Failure.
   * \param colors how colour images become intensities.
   * \param examples gets the first few pairs, for a picture; null: nothing. */
  itk::UniverSegSupportSet::Pointer Read(const std::vector<FilePair> & pairs,
                                         const ColorProjection & colors = ColorProjection(),
                                         std::vector<SupportExample> * examples = nullptr) const;

private:
  LabelChoice m_Choice;
  std::set<std::int32_t> m_Wanted; ///< values of structures; empty: all
  unsigned int m_SliceAxis;
  bool m_IgnoreGeometry;
};
} // namespace universeg

#endif
